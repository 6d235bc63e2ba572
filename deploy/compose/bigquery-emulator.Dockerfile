# The BigQuery emulator of the tests, with what taxi_assets_tests/servers/bigquery_emulator adds to it.
FROM python:3.11.9-slim-bookworm
COPY taxi_assets_tests/servers/bigquery_emulator/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check --requirement /tmp/requirements.txt \
 && useradd --uid 10001 --no-create-home taxi \
 && install --directory --owner taxi /data
COPY taxi_assets_tests/__init__.py /srv/taxi_assets_tests/__init__.py
COPY taxi_assets_tests/servers/__init__.py /srv/taxi_assets_tests/servers/__init__.py
COPY taxi_assets_tests/servers/bigquery_emulator /srv/taxi_assets_tests/servers/bigquery_emulator
ENV PYTHONPATH=/srv
USER 10001
CMD ["python", "-m", "taxi_assets_tests.servers.bigquery_emulator.serve"]
