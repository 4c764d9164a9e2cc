"""The catalogue of exposures: what headers, night logs, programme tables and archive queries say, in one database."""
