"""What the peers share: the users' features in memory, and the model behind one function."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas

BATCH_MAX = 64
MODELS = Path(__file__).resolve().parents[2] / "models"
MODEL = MODELS / "bench-credit-numeric" / "1" / "model.onnx"


class Users:
    """The features of all users, a row each."""

    def __init__(self, path: str):
        table = pandas.read_csv(path, index_col=0, dtype_backend="numpy_nullable", engine="c")
        self._rows = table.to_numpy(dtype=np.float32)
        self._row_of = {user: row for row, user in enumerate(table.index)}

    def knows(self, user: str) -> bool:
        return user in self._row_of

    def features(self, users: list[str]) -> np.ndarray:
        """One row for each user, all of whom are known."""
        return self._rows[[self._row_of[user] for user in users]]


class CqlUsers:
    """The features of the users of a Cassandra node, fetched by cassandra-driver.

    A batch is one prepared IN statement, which is what the driver does most keys a second with.
    Rows come as tuples; a user who is not there counts as a row of zeros.
    """

    def __init__(self, address: str):
        from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
        from cassandra.policies import RoundRobinPolicy
        from cassandra.query import tuple_factory

        # scylla://HOST:PORT/KEYSPACE, as the gateway takes it
        host, port = address.removeprefix("scylla://").split("/")[0].split(":")
        keyspace = address.rsplit("/", 1)[1]
        profile = ExecutionProfile(
            load_balancing_policy=RoundRobinPolicy(), row_factory=tuple_factory
        )
        cluster = Cluster(
            [host], port=int(port), execution_profiles={EXEC_PROFILE_DEFAULT: profile}
        )
        self._session = cluster.connect(keyspace)
        header = (MODEL.parents[1] / "features.csv").open().readline().strip().split(",")
        columns = ", ".join(f'"{name}"' for name in header[1:])
        self._select = self._session.prepare(
            f"SELECT user_id, {columns} FROM user_profiles WHERE user_id IN ?"
        )
        self._width = len(header) - 1

    def knows(self, user: str) -> bool:
        return isinstance(user, str)

    def features(self, users: list[str]) -> np.ndarray:
        found = {row[0]: row[1:] for row in self._session.execute(self._select, (users,))}
        nobody = (0.0,) * self._width
        return np.array([found.get(user, nobody) for user in users], dtype=np.float32)


def scikit_learn():
    """The model as its library runs it: rows in, probabilities of a default out."""
    sys.path.insert(0, str(MODELS))
    import german_credit
    import train

    rows, bad = german_credit.load()
    model = train.credit_classifier().fit(rows, bad)
    return lambda features: model.predict_proba(features)[:, 1].tolist()


def onnx_runtime():
    """The same as ONNX Runtime runs it, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda features: session.run(["probabilities"], {name: features})[0][:, 1].tolist()


ENGINES = {"scikit-learn": scikit_learn, "onnxruntime": onnx_runtime}
