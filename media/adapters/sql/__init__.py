"""Stores of media in SQL, on SQLite and PostgreSQL alike. SQLAlchemy's errors stop here."""
