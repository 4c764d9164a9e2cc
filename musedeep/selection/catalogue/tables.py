"""The tables of the database; their columns follow from what headers, night logs and programmes are read into."""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

from musedeep.selection.catalogue.exposure import FIELDS, is_number

VERSION: Final = 2
"""Of the tables; one more for each change of them."""

METADATA: Final = MetaData()

VERSIONS: Final = Table("musedeep_catalogue", METADATA, Column("version", Integer, primary_key=True))

EXPOSURES: Final = Table(
    "exposures",
    METADATA,
    Column("name", Text, primary_key=True),
    *(Column(name, Float if is_number(name) else Text) for name in FIELDS if name != "name"),
    Column("night", Text),
    Column("headers", Integer, nullable=False),
    Index("exposures_by_tag", "tag", "mjd"),
    Index("exposures_by_ob", "ob_id"),
)
"""One row per exposure; `headers` is 1 if its facts come from headers, 0 if from a table alone."""

FILES: Final = Table(
    "files",
    METADATA,
    Column("path", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("bytes", Float),
    Index("files_by_name", "name"),
)
"""Files of raw exposures: one may have several, as packed and unpacked."""

PRODUCTS: Final = Table(
    "products",
    METADATA,
    Column("path", Text, primary_key=True),
    *(
        Column(name, Text)
        for name in ("category", "recipe", "pipeline", "date_obs", "mode", "object", "ob_id", "run", "raw")
    ),
    Index("products_by_category", "category"),
)
"""Products of recipes; `raw` has the names of the raw frames, separated by blanks."""

QUALITY: Final = Table(
    "quality",
    METADATA,
    Column("path", Text, ForeignKey(PRODUCTS.c.path), primary_key=True),
    Column("hdu", Text, primary_key=True),
    Column("keyword", Text, primary_key=True),
    Column("number", Float),
    Column("text", Text),
    Index("quality_by_keyword", "keyword"),
)
"""Quality parameters of products: a number, or a text."""

EXECUTIONS: Final = Table(
    "executions",
    METADATA,
    Column("ob_id", Text, primary_key=True),
    Column("ob_start", Text, primary_key=True),
    *(Column(name, Text) for name in ("ob_name", "target", "run", "container", "comments", "grade")),
)
"""What night logs say of an execution of an OB."""

CONSTRAINTS: Final = Table(
    "constraints",
    METADATA,
    Column("ob_id", Text, primary_key=True),
    Column("ob_start", Text, primary_key=True),
    Column("constraint_name", Text, primary_key=True),
    Column("fulfilled", Text),
    Column("requested", Text),
)

LOGGED: Final = Table(
    "logged_files",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("ob_id", Text, nullable=False),
    Column("ob_start", Text, nullable=False),
    Column("seeing", Float),
    Column("airmass", Float),
)
"""Exposures of an execution, with the seeing of the site monitor."""

WEATHER: Final = Table(
    "weather",
    METADATA,
    Column("night", Text, primary_key=True),
    Column("time", Text, primary_key=True),
    Column("conditions", Text),
    Column("comment", Text),
)

PROGRAMMES: Final = Table(
    "programmes",
    METADATA,
    Column("run", Text, primary_key=True),
    *(Column(name, Text) for name in ("pi", "title", "abstract", "release_date", "observing_mode", "completed")),
)
"""Programmes, or single runs of them; `observing_mode` is SM or VM, `completed` a date."""
