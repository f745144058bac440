"""What the API returns."""

from typing import Literal

from pydantic import BaseModel, Field


class Guess(BaseModel):
    """One label and its calibrated probability, 0 to 1."""

    label: str
    confidence: float = Field(ge=0, le=1.001)


class PhotoPrediction(BaseModel):
    """The answer for one photo, as `foodvision.Prediction`; or `error`, what is wrong with it."""

    name: str = Field(description="The name of the file that was sent; photo for a raw body")
    label: str | None = None
    confidence: float | None = None
    certainty: Literal["sure", "likely", "perhaps", "not known"] | None = None
    known: bool | None = None
    known_score: float | None = None
    top: list[Guess] | None = None
    evidence: list[list[float]] | None = Field(
        default=None,
        description="With map=true: a heat map of where the model looked, rows of 0 to 1",
    )
    error: str | None = None


class Predictions(BaseModel):
    """The answers, in the order of the photos."""

    model: str
    predictions: list[PhotoPrediction]


class Failure(BaseModel):
    """What is wrong with a request, in one line."""

    error: str


class Health(BaseModel):
    """That the process answers."""

    status: Literal["ok"] = "ok"
    version: str


class Ready(BaseModel):
    """The models that answer."""

    models: list[str]
    classes: dict[str, int] = Field(description="Number of classes, by model")
