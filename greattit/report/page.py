"""The report as one self-contained page: nothing in it is loaded from elsewhere."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from greattit.report import style, words
from greattit.report.panels import season_words
from greattit.report.picture import panels

if TYPE_CHECKING:
    from greattit.types import Appraisal, Cube

ALT = {
    "scene": "The window in true colour with the plot as drawn and the field that was found",
    "season": "The season's greenness: clear looks filled, cloudy ones hollow",
    "crops": "Probabilities of the crops",
    "yields": "Yield interval of each crop that cannot be ruled out",
    "steps": "The build-up of the line from area to money",
}
"""text for readers who cannot see the panels"""


@cache
def template(name: str, package: str = "greattit.report") -> Any:
    """Return a template of a package; everything put into it is escaped, and a missing name is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files(package).joinpath(name).read_text(encoding="utf-8"))


def page(appraisal: Appraisal, cube: Cube) -> str:
    """Return the page as HTML."""
    images = {name: (heading, ALT[name], _inline(svg)) for name, (heading, svg) in panels(appraisal, cube).items()}
    return str(
        template("page.html.j2").render(
            a=appraisal,
            words=words,
            facts=words.facts(appraisal),
            held=words.held(appraisal.segment),
            steps=words.steps(appraisal),
            figures=words.figures(appraisal),
            reasons=[
                (reason, *style.EFFECTS.get(reason.effect, ("●", style.MUTED))) for reason in appraisal.line.reasons
            ],
            hazards=appraisal.growth.hazards,
            season=season_words(appraisal),
            images=images,
            simulated=bool(cube.attrs.get("simulated")),
            attribution=cube.attrs.get("attribution", ""),
        )
    )


def _inline(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
