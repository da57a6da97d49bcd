"""Where weights come from: one file and one registry line per kind of source."""

from infra.registry import Registry
from infra.sources.base import Source

SOURCES: Registry[Source] = Registry(
    name="sources",
    builtin={
        "package": "infra.sources.package:SOURCE",
        "file": "infra.sources.file:SOURCE",
        "huggingface": "infra.sources.huggingface:SOURCE",
        "s3": "infra.sources.s3:SOURCE",
    },
)
