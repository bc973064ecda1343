"""The exception tree: every error a user can cause says found, expected and remedy."""


class SfnetError(Exception):
    """Base of all errors raised on purpose by this package."""


class ModelError(SfnetError):
    """A model folder, its facts or its weights cannot be used."""


class CheckpointError(ModelError):
    """A checkpoint does not fit the network it is loaded into."""


class BackendError(SfnetError):
    """An inference backend cannot load or run."""


class EngineMissingError(BackendError):
    """An engine would have to be built first, which takes minutes."""


class ImageError(SfnetError):
    """An image or an image message cannot be understood."""


class TaxonomyError(SfnetError):
    """A taxonomy is unknown or cannot be converted."""


class DataError(SfnetError):
    """A data set, bag, video or folder cannot be read."""


class ColorError(DataError):
    """Labels are painted in colours of another taxonomy: what was found, and a remedy."""

    def __str__(self) -> str:
        return '; '.join(self.args)
