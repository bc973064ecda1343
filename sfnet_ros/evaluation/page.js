'use strict';

for (const frame of document.querySelectorAll('.frame')) {
  const slider = frame.querySelector('.slider');
  const range = slider.querySelector('input');
  const buttons = [...frame.querySelectorAll('.views button')];
  range.addEventListener('input', () => slider.style.setProperty('--at', `${range.value}%`));
  for (const button of buttons) {
    button.addEventListener('click', () => {
      for (const other of buttons) other.setAttribute('aria-pressed', other === button);
      for (const layer of slider.querySelectorAll('.layer')) {
        layer.hidden = layer.dataset.layer !== button.dataset.layer;
      }
    });
  }
}
