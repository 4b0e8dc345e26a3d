"""Types of the server's answers, for the description of its API; the answers themselves are plain JSON."""

from pydantic import BaseModel, ConfigDict, Field

from apparel.serving.request_body import EXPECTED, FIELD

SCORE = {"ge": 0, "le": 1}


class Query(BaseModel):
    """Parameters of `POST /detect`; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    lowest_score: float | None = Field(
        None, **SCORE, allow_inf_nan=False, description="lowest score listed; default: the threshold of each class"
    )


class Model(BaseModel):
    """The model that detected."""

    name: str = Field(description="as the server was told it")
    hash: str = Field(description="DVC's hash of the folder of the trained model")
    runtime: str = Field(examples=["TensorFlow", "TensorFlow Lite"])


class ModelDetails(Model):
    """The model in use."""

    classes: list[str]
    thresholds: dict[str, float] = Field(description="score from which on a detection is shown, by class")
    width: int = Field(description="pixels of the network's input")
    height: int = Field(description="pixels of the network's input")


class Box(BaseModel):
    """Corners in pixels of the upright photo, counted from its top left."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class Detection(BaseModel):
    """A garment."""

    model_config = ConfigDict(populate_by_name=True)

    class_: str = Field(alias="class")
    score: float = Field(**SCORE)
    box: Box
    threshold: float = Field(**SCORE, description="of the class")
    shown: bool = Field(description="whether the score is at or above the threshold")


class Photo(BaseModel):
    """A photo of the request, in its order."""

    name: str
    width: int | None = Field(description="pixels of the upright photo; null where it cannot be read")
    height: int | None
    detections: list[Detection] = Field(description="the highest score first")
    problem: str | None = Field(description="why the photo cannot be read, or null")


class Detections(BaseModel):
    """Answer of `POST /detect`."""

    model: Model
    photos: list[Photo]


class Error(BaseModel):
    """Answer to a request that was not carried out."""

    error: str


REQUEST_BODY = {
    "required": True,
    "description": EXPECTED,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "array", "items": {"type": "string", "format": "binary"}}},
            }
        },
        "application/json": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {
                    FIELD: {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["image"],
                            "properties": {
                                "name": {"type": "string"},
                                "image": {"type": "string", "contentEncoding": "base64"},
                            },
                        },
                    }
                },
            }
        },
    },
}
"""OpenAPI's description of the body, which the server parses itself: FastAPI would read all of it first."""

ERRORS = {
    status: {"model": Error, "description": description}
    for status, description in {
        400: "malformed request, or a Host that is not the server's",
        401: "the token is missing or wrong",
        403: "sent by a page of another site",
        408: "sent too slowly",
        413: "too many bytes or photos",
        415: "neither multipart/form-data nor application/json",
        422: "no photo can be read, or a parameter is wrong",
        503: "no model yet, or too many photos wait; Retry-After says when to try again",
    }.items()
}
