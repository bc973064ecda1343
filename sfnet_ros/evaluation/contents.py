"""What lies in a folder, for messages about data that are not where they should be."""

from pathlib import Path

_LISTED = 6


def contents(folder: Path) -> str:
    """Tell what a folder holds: ``images/ (6 files such as 0.png), masks/ (nothing)``."""
    files, folders = _split(folder)
    inside = [f'{sub.name}/ ({_inside(sub)})' for sub in folders[:_LISTED]]
    more = [f'{len(folders) - _LISTED} more folders'] if len(folders) > _LISTED else []
    return ', '.join([*inside, *more, *_counted(files)]) or 'nothing'


def _inside(folder: Path) -> str:
    try:
        files, folders = _split(folder)
    except OSError as error:  # such as lost+found of a disk
        return f'{error.strerror}'
    names = [f'{sub.name}/' for sub in folders]
    more = ['...'] if len(names) > _LISTED else []
    return ', '.join([*names[:_LISTED], *more, *_counted(files)]) or 'nothing'


def _split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return files and folders, sorted."""
    entries = sorted(folder.iterdir())
    return [one for one in entries if one.is_file()], [one for one in entries if one.is_dir()]


def _counted(files: list[Path]) -> list[str]:
    if len(files) < 2:
        return [file.name for file in files]
    return [f'{len(files)} files such as {files[0].name}']
