"""What a request may fail with: TensorFlow Serving's codes, which are gRPC's, and their HTTP status."""

__all__ = ["HTTP_STATUS", "Refused"]

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "DEADLINE_EXCEEDED": 504,
    "RESOURCE_EXHAUSTED": 429,
    "TOO_LARGE": 413,  # which gRPC refuses by itself
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
}


class Refused(Exception):
    """A request that is not answered, with a code of `HTTP_STATUS` and one clear message."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message
