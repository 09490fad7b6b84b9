"""Why a request is refused: TensorFlow Serving's codes, which are gRPC's, and their HTTP status."""

__all__ = ["HTTP_STATUS", "RequestError"]

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "DEADLINE_EXCEEDED": 504,
    "RESOURCE_EXHAUSTED": 429,
    "TOO_LARGE": 413,  # REST only: gRPC itself refuses a message that is too large
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
}


class RequestError(Exception):
    """A request is refused, with a code of `HTTP_STATUS` and one clear message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message
