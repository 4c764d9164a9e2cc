"""Who may have a product: the rule of MUSE-DEEP on data that are not yet public.

A product is public if all its inputs are. If not, it belongs to the investigator of the run if all inputs are of one
run, and to nobody otherwise, until the last of them is public. Release dates come from the catalogue; the length of
the proprietary period is never assumed.
"""

from collections.abc import Sequence

from musedeep.selection.campaign.exposures import Candidate

PUBLIC = "public"


def access_of(inputs: Sequence[Candidate], today: str) -> str:
    """`public`, `pi:RUN until DATE`, `closed until DATE`, or `unknown` if a release date is missing.

    `today` is an ISO date.
    """
    dates = [(one.exposure.release_date or one.programme.get("release_date", ""))[:10] for one in inputs]
    if not inputs or not all(dates):
        return "unknown: no release date of some inputs"
    last = max(dates)
    if last <= today:
        return PUBLIC
    runs = {one.exposure.run for one in inputs}
    return f"pi:{runs.pop()} until {last}" if len(runs) == 1 and "" not in runs else f"closed until {last}"
