"""shardgate: export a model, serve it, and ask it.

    shardgate.export(pipeline, "credit", rows=frame, score_class="bad")
    with shardgate.serve("models/credit") as client:
        print(client.predict({"age": 41, "purpose": "car"}).score)

`Client(url)` asks a gateway that runs elsewhere. `python -m shardgate.demo` shows all of it.
"""

from .answers import Prediction, Reason
from .client import Client
from .entity import Entity
from .errors import (
    ColumnsError,
    DeadlineExceeded,
    ExportError,
    GatewayUnreachable,
    NotAllowed,
    NotFound,
    Overloaded,
    ProgramNotFound,
    RequestError,
    RowsFailed,
    ServeError,
    ShardgateError,
    TimedOut,
    Unavailable,
)
from .exported import Exported
from .exports import export
from .serving import Gateway, serve

__version__ = "0.1.0"

__all__ = [
    "Client", "ColumnsError", "DeadlineExceeded", "Entity", "ExportError", "Exported", "Gateway",
    "GatewayUnreachable", "NotAllowed", "NotFound", "Overloaded", "Prediction", "ProgramNotFound",
    "Reason", "RequestError", "RowsFailed", "ServeError", "ShardgateError", "TimedOut", "Unavailable",
    "export", "serve",
]
