"""The ``sfnet`` command: arguments to one call."""

import argparse
from importlib import import_module
import os
import sys

from ..errors import SfnetError

# Name and one line of help; the module of that name adds its arguments and runs it.
_COMMANDS = {
    'segment': 'segment images and videos to label, colour or overlay files',
    'evaluate': 'measure the accuracy of a model on a labelled data set',
    'benchmark': 'time the backends of this machine side by side',
    'convert': 'write label files or a bag in another taxonomy',
    'models': 'list the models at hand, or show the facts of one',
    'train': 'train a model from a recipe, or go on where a run was stopped',
    'export': 'write a model as an ONNX file, or make it ready for a runtime',
    'doctor': 'say what this machine has and what the node would use',
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (1 after an error, which is printed)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    title = ' '.join(['sfnet', *arguments[:1]])
    try:
        options = _parsed(arguments)
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever reads has seen enough, as with "| head". What is left shall not fail at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        print(f'{title}: {error}; expected that package: see sfnet doctor', file=sys.stderr)
        return 1
    except SfnetError as error:
        print(f'{title}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='sfnet', description='Semantic segmentation with SFNet.')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:])
        if arguments[:1] == [name]:
            # That one alone: others need packages, such as PyTorch, which it may do without.
            module = import_module(f'.{name}', __package__)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)
