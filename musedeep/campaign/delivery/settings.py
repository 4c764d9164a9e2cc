"""What a person chooses for a delivery (YAML): names of keywords that the release description leaves open, texts."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musedeep.errors import MusedeepError, nearest
from musedeep.storage.yaml_file import read_mapping

Keyword = Annotated[str, Field(pattern=r"^[A-Z0-9_-]{1,8}$")]


class DeliverySettings(BaseModel):
    """Settings of a delivery.

    Attributes
    ----------
    sm_vm_keyword : of the observing mode, SM or VM
    comment_keyword : of lines of comments on the quality; a number follows
    origin : ORIGIN, where the raw frames have none
    reference : REFERENC, a bibcode of 19 characters or a DOI; empty for none
    doi : of the data, for the acknowledgement
    warn_velocity : span of barycentric velocities above which residuals of telluric lines are broadened [km/s]
    """

    model_config = ConfigDict(extra="forbid")

    sm_vm_keyword: Keyword = "SM_VM"
    comment_keyword: Annotated[str, Field(pattern=r"^[A-Z0-9_-]{1,7}$")] = "QC_COMM"
    origin: Annotated[str, Field(min_length=1)] = "ESO-PARANAL"
    reference: str = ""
    doi: str = ""
    warn_velocity: Annotated[float, Field(gt=0)] = 30.0


def read_settings(path: Path | None) -> DeliverySettings:
    """Read settings; defaults without a file. Raises MusedeepError for an unknown key or a wrong value."""
    if path is None:
        return DeliverySettings()
    known = list(DeliverySettings.model_fields)
    content = read_mapping(path, "file of settings of a delivery", known)
    try:
        return DeliverySettings.model_validate(content)
    except ValidationError as error:
        one = error.errors(include_url=False)[0]
        key = str(one["loc"][0])
        if one["type"] == "extra_forbidden":
            near = nearest(key, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            raise MusedeepError(f"{path}: unknown key '{key}'; {hint}") from None
        said = one["msg"][:1].lower() + one["msg"][1:]
        raise MusedeepError(f"{path}: {key}: {one['input']!r} is not right: {said}") from None
