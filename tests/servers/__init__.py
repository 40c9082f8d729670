"""Real processes for the tests: Lodur itself and an S3 server. Fixtures over them are in tests/conftest.py."""
