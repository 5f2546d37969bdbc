"""Models of LightGBM, XGBoost and CatBoost as their libraries' own files, which keep what ONNX loses:
float64 thresholds, categories and their texts, and where missing values go."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas

from ..errors import ExportError
from .exporting import first_line
from .inputs import Input, Inputs

# The attribute by which the gateway knows a file of XGBoost whose texts are whole.
WHOLE_TEXTS = "shardgate_whole_texts"
LIGHTGBM, XGBOOST, CATBOOST = "LightGBM", "XGBoost", "CatBoost"

KINDS = {
    ("lightgbm", "Booster"): LIGHTGBM, ("lightgbm", "LGBMModel"): LIGHTGBM,
    ("xgboost", "Booster"): XGBOOST, ("xgboost", "XGBModel"): XGBOOST,
    ("catboost", "CatBoost"): CATBOOST,
}


def library_of_native(model) -> str | None:
    """The boosting library whose model it is, a scikit-learn wrapper or not."""
    for kind in type(model).__mro__:
        found = KINDS.get((kind.__module__.split(".")[0], kind.__name__))
        if found:
            return found
    return None


def read_native(model) -> "Native":
    """A fitted model of one of the three libraries."""
    kinds = {LIGHTGBM: LightGbm, XGBOOST: XgBoost, CATBOOST: CatBoost}
    try:
        return kinds[library_of_native(model)](model)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"{type(model).__name__} doesn't say what it is: {first_line(error)}"
                          ) from error


class Native:
    """What is common to the three. `file` is the name of the version's file."""

    file: str
    # The library has a score of its own for a text that training never saw.
    takes_unknown = True
    # The precision of its thresholds.
    kind: type = np.float32

    def __init__(self, model):
        self.model = model
        names, is_made_up = self._names()
        self.made_up_names = names if is_made_up else []
        self.columns = [Input(name) for name in names]
        for place, known in self._categories().items():
            column = self.columns[place]
            column.categories = known
            column.is_text = any(isinstance(category, str) for category in known or [])
            column.is_category = known is not None
            column.is_open = known is None
        labels = getattr(model, "classes_", None)
        self.labels = None if labels is None or len(labels) == 0 else list(labels)

    def learn(self, inputs: Inputs, rows: pandas.DataFrame | None) -> None:
        """Takes from rows what the model itself doesn't know."""

    def saved(self) -> bytes:
        """The file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.file
            try:
                self._save(path)
            except Exception as error:
                raise ExportError(f"{type(self.model).__name__} cannot be saved: "
                                  f"{first_line(error)}") from error
            return path.read_bytes()

    def scores(self, inputs: Inputs, rows: pandas.DataFrame) -> np.ndarray:
        """What the library itself says, as (rows, classes) or (rows, 1) float64."""
        try:
            scores = np.asarray(self._predict(inputs.as_trained(rows)), dtype=np.float64)
        except Exception as error:
            raise ExportError(f"{type(self.model).__name__} cannot score the rows: "
                              f"{first_line(error)}") from error
        scores = scores.reshape(len(rows), -1)
        if scores.shape[1] == 1 and self._is_binary():
            if self.labels is None:
                self.labels = [0, 1]
            return np.column_stack([1 - scores, scores])
        return scores

    def _names(self) -> tuple[list[str], bool]:
        raise NotImplementedError

    def _categories(self) -> dict[int, list | None]:
        """The categories of columns that have some, by place; None where the file doesn't say."""
        raise NotImplementedError

    def _is_binary(self) -> bool:
        """Whether one score is the probability of the second of two classes."""
        raise NotImplementedError

    def _predict(self, cells):
        raise NotImplementedError

    def _save(self, path: Path) -> None:
        raise NotImplementedError

    def thresholds(self) -> dict[int, list[float]]:
        """By column, the numbers that the trees compare with."""
        raise NotImplementedError


class LightGbm(Native):
    """A Booster or a wrapper of LightGBM."""

    file = "model.txt"
    kind = np.float64

    def __init__(self, model):
        self.booster = getattr(model, "booster_", model)
        self.dump = self.booster.dump_model()
        super().__init__(model)
        classes = self.dump.get("num_class", 1)
        if self.labels is None and classes > 1 and self.dump["objective"].startswith("multiclass"):
            self.labels = list(range(classes))

    def _names(self):
        names = self.booster.feature_name()
        return names, names == [f"Column_{place}" for place in range(len(names))]

    def _categories(self):
        listed = self.booster.pandas_categorical or []
        lines = self.booster.model_to_string().splitlines()
        chosen = next((line for line in lines if line.startswith("[categorical_feature: ")), "")
        places = [int(place) for place in chosen[len("[categorical_feature: "):-1].split(",")
                  if place.strip()]
        if len(places) != len(listed):
            # Numbers of an array, which stand for themselves.
            return {}
        return dict(zip(places, listed))

    def _is_binary(self):
        return self.dump.get("objective", "").startswith("binary")

    def _predict(self, cells):
        if hasattr(self.model, "predict_proba"):
            return self.model.predict_proba(cells)
        return self.model.predict(cells)

    def _save(self, path):
        self.booster.save_model(path)

    def thresholds(self):
        found: dict[int, list[float]] = {}
        pending = [tree["tree_structure"] for tree in self.dump["tree_info"]]
        while pending:
            node = pending.pop()
            if "threshold" not in node:
                continue
            if node["decision_type"] == "<=":
                found.setdefault(node["split_feature"], []).append(float(node["threshold"]))
            pending += [node["left_child"], node["right_child"]]
        return found


class XgBoost(Native):
    """A Booster or a wrapper of XGBoost."""

    file = "model.ubj"
    takes_unknown = False

    def __init__(self, model):
        self.is_wrapper = hasattr(model, "get_booster")
        self.booster = model.get_booster() if self.is_wrapper else model
        self.learner = json.loads(self.booster.save_raw("json"))["learner"]
        self.objective = self.learner["objective"]["name"]
        # By column, the texts that its file has to be mended by.
        self.whole: dict[int, list[str]] = {}
        super().__init__(model)
        classes = int(self.learner["learner_model_param"]["num_class"])
        if self.labels is None and self.objective.startswith("multi:") and classes > 1:
            self.labels = list(range(classes))

    def _names(self):
        names = self.booster.feature_names
        if names is None:
            return [f"f{place}" for place in range(self.booster.num_features())], True
        return list(names), False

    def _categories(self):
        types = self.booster.feature_types or []
        chosen = [place for place, kind in enumerate(types) if kind == "c"]
        encoded = self._encoded()
        if chosen and not encoded and self.booster.feature_names is not None:
            raise ExportError(
                "the file of this version of XGBoost has no texts of its categories: train with "
                "version 3.1 or newer, or encode the columns before")
        return {place: categories_of(encoded[place]) for place in chosen if encoded}

    def learn(self, inputs: Inputs, rows: pandas.DataFrame | None) -> None:
        """XGBoost's file has as many bytes of its texts as they have characters, so that those at its
        end are cut short where some are beyond ASCII. The rows have them whole."""
        for place, column in enumerate(inputs.columns):
            if all(text.isascii() for text in column.texts):
                continue
            lengths = np.diff(self._encoded()[place]["offsets"])
            seen = [] if rows is None else rows[column.name].dropna().unique()
            whole = [whole_text(text, int(length), seen)
                     for text, length in zip(column.texts, lengths, strict=True)]
            if None in whole:
                raise ExportError(
                    f"--rows: XGBoost's file cuts texts beyond ASCII short, as the end of "
                    f"{column.texts[whole.index(None)]!r} of {column.name}: give rows in which each "
                    "text occurs")
            column.categories = whole
            self.whole[place] = whole
            self.file = "model.json"

    def _encoded(self) -> list[dict]:
        return self._model().get("cats", {}).get("enc", [])

    def _model(self, learner: dict | None = None) -> dict:
        booster = (learner or self.learner)["gradient_booster"]
        return booster.get("gbtree", booster).get("model", {})

    def _is_binary(self):
        return self.objective == "binary:logistic"

    def _predict(self, cells):
        if self.is_wrapper and hasattr(self.model, "predict_proba"):
            found = self.model.predict_proba(cells)
            # Of these the wrapper makes two columns, and the file has one.
            has_one = self.objective in ("binary:hinge", "binary:logitraw")
            return found[:, 1] if has_one else found
        if self.is_wrapper:
            return self.model.predict(cells)
        from xgboost import DMatrix

        types = None if isinstance(cells, pandas.DataFrame) else self.booster.feature_types
        matrix = DMatrix(cells, feature_types=types, enable_categorical=True)
        if self.objective == "multi:softmax":
            margins = self.booster.predict(matrix, output_margin=True).astype(np.float64)
            powers = np.exp(margins - margins.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)
        return self.booster.predict(matrix)

    def _save(self, path):
        saved = self.model
        if not self.is_wrapper and saved.attr("best_iteration") is not None:
            # A Booster predicts by all of its rounds; a wrapper by the best ones, as its file says.
            saved = saved.copy()
            saved.set_attr(best_iteration=None)
        saved.save_model(path)
        if self.whole:
            mended = json.loads(path.read_text(encoding="utf-8"))
            encoded = self._model(mended["learner"])["cats"]["enc"]
            for place, texts in self.whole.items():
                encoded[place] = encoded_texts(texts)
            mended["learner"].setdefault("attributes", {})[WHOLE_TEXTS] = "by export.py"
            path.write_text(json.dumps(mended), encoding="utf-8")

    def thresholds(self):
        found: dict[int, list[float]] = {}
        for tree in self._model().get("trees", []):
            kinds = tree.get("split_type") or [0] * len(tree["split_indices"])
            for place, value, left, kind in zip(tree["split_indices"], tree["split_conditions"],
                                                tree["left_children"], kinds):
                if left >= 0 and kind == 0:
                    found.setdefault(place, []).append(float(value))
        return found


def categories_of(encoded: dict) -> list:
    """The categories of a column in an XGBoost file: numbers, or texts end to end. Their places count
    characters."""
    values = encoded["values"]
    if "offsets" not in encoded:
        return list(values)
    joined = bytes(value & 0xFF for value in values).decode(errors="ignore")
    offsets = encoded["offsets"]
    return [joined[start:end] for start, end in zip(offsets, offsets[1:])]


def whole_text(text: str, length: int, seen) -> str | None:
    """The text of so many characters that begins with `text`; None where it is not the only one."""
    if len(text) == length:
        return text
    fitting = [whole for whole in seen if len(whole) == length and whole.startswith(text)]
    return fitting[0] if len(fitting) == 1 else None


def encoded_texts(texts: list[str]) -> dict:
    """Whole texts, whose places count bytes, which are signed."""
    joined = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, joined)]).tolist()
    return {"offsets": offsets, "values": np.frombuffer(b"".join(joined), np.int8).tolist()}


class CatBoost(Native):
    """A model of CatBoost."""

    file = "model.cbm"

    def _names(self):
        names = list(self.model.feature_names_)
        return names, names == [str(place) for place in range(len(names))]

    def _categories(self):
        other = [*self.model.get_text_feature_indices(), *self.model.get_embedding_feature_indices()]
        if other:
            raise ExportError("the gateway computes no text or embedding features of CatBoost: give "
                              "the columns as cat_features, or train without them")
        return dict.fromkeys(self.model.get_cat_feature_indices())

    def _is_binary(self):
        return False

    def _predict(self, cells):
        chosen = self.model.get_cat_feature_indices()
        if isinstance(cells, np.ndarray):
            cells = pandas.DataFrame(cells)
        for place in chosen:
            column = cells.columns[place]
            # Whole numbers are hashed as they are written.
            whole = [str(int(value)) if isinstance(value, (float, np.floating)) else value
                     for value in cells[column]]
            cells[column] = pandas.Series(whole, dtype=object, index=cells.index)
        if self.labels is not None:
            return self.model.predict(cells, prediction_type="Probability")
        return self.model.predict(cells)

    def _save(self, path):
        self.model.save_model(str(path))

    def thresholds(self):
        return {place: [float(border) for border in borders]
                for place, borders in self.model._get_borders().items()}
