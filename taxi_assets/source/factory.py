"""Factory of sources: from a setting, or the value of `--source`, to a source object."""

from taxi_assets.settings import parse_source
from taxi_assets.settings.places import Mirror, Sample, SourcePlace
from taxi_assets.source.base import Source
from taxi_assets.source.folder import FolderSource
from taxi_assets.source.http import HttpSource


def open_source(place: SourcePlace | str, *, retry: bool = True) -> Source:
    """The source at the place; opens no connection and reads no file.

    Args:
        place: a parsed setting, or text in one of `settings.SOURCE_FORMS`.
        retry: whether requests are retried with backoff. False for sensors and the command line's quick look-ups: one
            attempt, 10 seconds.

    Raises:
        InvalidRequest: the text has none of the accepted forms.
    """
    place = parse_source(place) if isinstance(place, str) else place
    if isinstance(place, Sample):
        # Imported here, since `sample` imports this package.
        from taxi_assets.sample import SampleSource

        return SampleSource()
    if isinstance(place, Mirror):
        return FolderSource(place.folder)
    url = place.url.get_secret_value()
    return HttpSource(url) if retry else HttpSource(url, attempts=1, read_timeout=10)
