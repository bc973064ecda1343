"""The ``sfnet`` command: arguments to one call."""

import argparse
import os
import sys

from . import benchmark, convert, doctor, evaluate, export, models, segment, train
from ..errors import SfnetError

# Name, one line of help, and the module that adds its arguments and runs it.
_COMMANDS = {
    'segment': ('segment images and videos to label, colour or overlay files', segment),
    'evaluate': ('measure the accuracy of a model on a labelled data set', evaluate),
    'benchmark': ('time the backends of this machine side by side', benchmark),
    'convert': ('write label files or a bag in another taxonomy', convert),
    'models': ('list the models at hand, or show the facts of one', models),
    'train': ('train a model from a recipe, or go on where a run was stopped', train),
    'export': ('write a model as an ONNX file, or make it ready for a runtime', export),
    'doctor': ('say what this machine has and what the node would use', doctor),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (1 after an error, which is printed)."""
    parser = argparse.ArgumentParser(prog='sfnet', description='Semantic segmentation with SFNet.')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, (text, module) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever reads has seen enough, as with "| head". What is left shall not fail at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SfnetError as error:
        print(f'sfnet {options.command}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
