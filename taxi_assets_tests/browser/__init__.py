"""The Dagster UI in a real browser, over the real `dagster dev`, used as a person uses it.

`TAXI_TESTS_SCREENSHOTS=docs/img pytest -m browser` writes the pictures of the README again.
"""
