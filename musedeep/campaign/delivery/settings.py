"""What a person chooses for a delivery (YAML): names of keywords that the release description leaves open, texts."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from musedeep.storage.models import validated
from musedeep.storage.yaml_file import read_mapping


class DeliverySettings(BaseModel):
    """Settings of a delivery.

    Attributes
    ----------
    sm_vm_keyword : of the observing mode, SM or VM
    comment_keyword : of lines of comments on the quality; a number follows
    origin : ORIGIN, where the raw frames have none
    reference : REFERENC, a bibcode of 19 characters or a DOI; empty for none
    doi : of the data, for the acknowledgement
    """

    model_config = ConfigDict(extra="forbid")

    sm_vm_keyword: Annotated[
        str, Field(pattern=r"^[A-Z0-9_-]{1,8}$", description="a keyword: 1 to 8 of A-Z, 0-9, - and _")
    ] = "SM_VM"
    comment_keyword: Annotated[
        str,
        Field(
            pattern=r"^[A-Z0-9_-]{1,7}$", description="a keyword with room for a number: 1 to 7 of A-Z, 0-9, - and _"
        ),
    ] = "QC_COMM"
    origin: Annotated[str, Field(min_length=1)] = "ESO-PARANAL"
    reference: Annotated[
        str, Field(pattern=r"^(|.{19}|(doi:)?10\.\d{4,9}/\S+)$", description="a bibcode of 19 characters or a DOI")
    ] = ""
    doi: str = ""


def read_settings(path: Path | None) -> DeliverySettings:
    """Read settings; defaults without a file. Raises MusedeepError for an unknown key or a wrong value."""
    if path is None:
        return DeliverySettings()
    content = read_mapping(path, "file of settings of a delivery", list(DeliverySettings.model_fields))
    return validated(DeliverySettings, content, path)
