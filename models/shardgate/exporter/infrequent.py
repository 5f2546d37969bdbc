"""OneHotEncoder with `handle_unknown="infrequent_if_exist"`: skl2onnx makes an unknown text an error, and
scikit-learn one of the infrequent ones, or zeros where there are none."""

from sklearn.preprocessing import OneHotEncoder
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter, get_shape_calculator

ALIAS = "SklearnOneHotEncoder"


class InfrequentEncoder(OneHotEncoder):
    """One that takes what it does not know for infrequent, as this module converts it."""


def prepare(part) -> None:
    """Marks such an encoder."""
    if type(part) is OneHotEncoder and part.handle_unknown == "infrequent_if_exist":
        part.__class__ = InfrequentEncoder


def register() -> None:
    """Teaches skl2onnx the marked ones."""
    update_registered_converter(InfrequentEncoder, "ShardgateInfrequentEncoder",
                                get_shape_calculator(ALIAS), _convert)


def _convert(scope, operator, container) -> None:
    get_converter(ALIAS)(scope, operator, _Container(scope, operator.raw_operator, container))


class _Container:
    """Writes what the converter of other encoders writes, but for what is not known."""

    def __init__(self, scope, encoder, container):
        self._scope, self._container = scope, container
        # Of each column that has categories, one that stands for all infrequent ones.
        infrequent = encoder.infrequent_categories_
        self._infrequent = iter([
            None if some is None else str(some[0])
            for known, some in zip(encoder.categories_, infrequent, strict=True) if len(known)])

    def __getattr__(self, name: str):
        return getattr(self._container, name)

    def add_node(self, kind: str, inputs, outputs, **attributes) -> None:
        if kind == "OneHotEncoder":
            infrequent = next(self._infrequent)
            if infrequent is None:
                attributes["zeros"] = 1
            elif "cats_strings" not in attributes:
                raise ValueError("infrequent_if_exist of numbers: train on the column as text")
            else:
                known = attributes["cats_strings"]
                renamed = self._scope.get_unique_variable_name("known")
                self._container.add_node(
                    "LabelEncoder", inputs, renamed, op_domain="ai.onnx.ml", op_version=2,
                    name=self._scope.get_unique_operator_name("LabelEncoder"), keys_strings=known,
                    values_strings=known, default_string=infrequent)
                inputs = renamed
        self._container.add_node(kind, inputs, outputs, **attributes)
