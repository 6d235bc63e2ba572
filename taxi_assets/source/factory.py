"""From a setting to a source: the one place that knows every kind of them."""

from taxi_assets.settings import parse_source
from taxi_assets.settings.places import Mirror, Sample, SourcePlace
from taxi_assets.source.base import Source
from taxi_assets.source.folder import FolderSource
from taxi_assets.source.http import HttpSource


def open_source(place: SourcePlace | str, *, patient: bool = True) -> Source:
    """The source at the place; nothing is connected to or looked at yet.

    Args:
        place: a parsed setting, or text in one of `settings.SOURCE_FORMS`.
        patient: whether a server that does not answer is asked again with backoff; a sensor's tick has no time for it.

    Raises:
        InvalidRequest: the text has none of the accepted forms.
    """
    place = parse_source(place) if isinstance(place, str) else place
    if isinstance(place, Sample):
        # The sample is made of what this package offers: importing it above would go round in a circle.
        from taxi_assets.sample import SampleSource

        return SampleSource()
    if isinstance(place, Mirror):
        return FolderSource(place.folder)
    url = place.url.get_secret_value()
    return HttpSource(url) if patient else HttpSource(url, attempts=1, read_timeout=10)
