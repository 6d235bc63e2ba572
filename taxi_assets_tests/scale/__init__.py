"""Celery workers on hosts of their own, which are cut off, killed and drained while they load months.

`python -m taxi_assets_tests.scale faults` and `… speed`; both need root on Linux, for network namespaces. Each host is
a namespace with an address of its own on a bridge; the hub has the servers, the daemon and the webserver.
"""
