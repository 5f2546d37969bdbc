"""Each way of scikit-learn to make columns of columns is exported and scored as the library does, or
refused in one line."""

import numpy as np
import pandas
import pytest
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import (
    CountVectorizer, HashingVectorizer, TfidfVectorizer,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer, LabelBinarizer, OneHotEncoder, PowerTransformer, QuantileTransformer,
    SplineTransformer, StandardScaler, TargetEncoder,
)

from shardgate.exporter.exporting import ExportError
from tools import COUNT, FRAME, IGNORING, TARGET, columns_of, exported, rows_of

RANDOM = np.random.default_rng(7)
HOLES = FRAME.assign(amount=FRAME.amount.where(RANDOM.random(COUNT) >= 0.2),
                     age=FRAME.age.where(RANDOM.random(COUNT) >= 0.1))


def model_of(numbers, frame, texts=IGNORING):
    columns = make_column_transformer((texts, ["purpose", "country"]), (numbers, ["age", "amount"]))
    return make_pipeline(columns, LogisticRegression(max_iter=2000)).fit(frame, TARGET)


NUMBERS = {
    "bins": KBinsDiscretizer(4, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    "bins-ordinal": KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    "bins-uniform": KBinsDiscretizer(4, encode="onehot-dense", strategy="uniform"),
    "power": PowerTransformer(),
    "power-box-cox": PowerTransformer("box-cox"),
    "quantile": QuantileTransformer(n_quantiles=50),
}
MISSING = {
    "indicator": FeatureUnion([("values", SimpleImputer()), ("holes", MissingIndicator())]),
    "add-indicator": SimpleImputer(add_indicator=True),
    "union": FeatureUnion([("mean", SimpleImputer()), ("zero", make_pipeline(
        SimpleImputer(strategy="constant", fill_value=0), StandardScaler()))]),
}


@pytest.mark.parametrize("name", [*NUMBERS, *MISSING])
def test_numbers(tmp_path, name):
    frame = HOLES if name in MISSING else FRAME.assign(age=FRAME.age.astype(float))
    model = model_of((NUMBERS | MISSING)[name], frame)
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path, frame))
    assert len(golden) == COUNT and done.difference_gateway < 1e-6


@pytest.mark.parametrize("numbers", [
    SplineTransformer(n_knots=4),
    QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    SimpleImputer(missing_values=-1, add_indicator=True),
])
def test_what_no_converter_knows_is_refused(tmp_path, numbers):
    frame = FRAME.assign(age=FRAME.age.where(FRAME.age > 20, -1))
    model = model_of(numbers, frame)
    with pytest.raises(ExportError, match="has no ONNX export"):
        exported(tmp_path, model, *rows_of(tmp_path, frame))


def test_a_label_binarizer_is_of_labels_alone(tmp_path):
    """scikit-learn itself takes none among columns: it binarizes labels."""
    with pytest.raises(TypeError):
        make_column_transformer((LabelBinarizer(), ["purpose"])).fit_transform(FRAME, TARGET)


@pytest.mark.parametrize("encoder", [
    OneHotEncoder(min_frequency=70, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(max_categories=3, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(min_frequency=1, handle_unknown="infrequent_if_exist"),
])
def test_an_unknown_text_is_one_of_the_infrequent_where_there_are_any(tmp_path, encoder):
    model = model_of(StandardScaler(), FRAME, encoder)
    unseen = pandas.concat([FRAME, FRAME.head(20).assign(purpose="boat")], ignore_index=True)
    done, about, golden = exported(tmp_path, model, *rows_of(tmp_path, unseen))
    assert [row["purpose"] for row in golden[-20:]] == ["boat"] * 20
    assert done.difference_gateway < 1e-6


def test_a_target_encoder_of_texts_that_training_never_saw(tmp_path):
    model = model_of(StandardScaler(), FRAME, TargetEncoder(random_state=0))
    unseen = pandas.concat([FRAME, FRAME.head(5).assign(country="XX")], ignore_index=True)
    done, _, golden = exported(tmp_path, model, *rows_of(tmp_path, unseen))
    assert len(golden) == COUNT + 5 and done.difference_gateway < 1e-6


def test_shares_of_texts_are_written(tmp_path):
    holes = FRAME.copy()
    holes.loc[:29, "purpose"] = np.nan
    _, about, _ = exported(tmp_path, model_of(StandardScaler(), holes), *rows_of(tmp_path, holes))
    shares = columns_of(about)["purpose"]["shares"]
    assert shares["car"] == pytest.approx((holes.purpose == "car").mean(), abs=1e-6)
    assert sum(shares.values()) == pytest.approx(0.9, abs=1e-5)
    assert "shares" not in columns_of(about)["age"]


@pytest.mark.parametrize("vectorizer", [
    CountVectorizer(), TfidfVectorizer(), HashingVectorizer(n_features=16),
    CountVectorizer(analyzer="char"),
])
def test_words_of_a_text_are_refused_with_what_to_do(tmp_path, vectorizer):
    columns = make_column_transformer((vectorizer, "purpose"), ("passthrough", ["age"]))
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME, TARGET)
    says = "Vectorizer cuts texts into words, .* fit it before the model, and the model on the columns"
    with pytest.raises(ExportError, match=says):
        exported(tmp_path, model, *rows_of(tmp_path))
    # One that begins with it gets texts in the place of rows.
    model = make_pipeline(vectorizer, LogisticRegression()).fit(FRAME.purpose, TARGET)
    with pytest.raises(ExportError, match=says):
        exported(tmp_path, model, *rows_of(tmp_path))


def test_numbers_of_words_are_columns(tmp_path):
    """What the refusal of a vectorizer says to do."""
    vectorizer = TfidfVectorizer().fit(FRAME.purpose)
    words = pandas.DataFrame(vectorizer.transform(FRAME.purpose).toarray(),
                             columns=vectorizer.get_feature_names_out())
    rows = pandas.concat([FRAME[["age"]], words], axis=1)
    model = LogisticRegression(max_iter=1000).fit(rows, TARGET)
    done, about, _ = exported(tmp_path, model, *rows_of(tmp_path, rows), "--source", "request")
    assert {"car", "übung"} <= set(columns_of(about)) and done.difference_gateway < 1e-6
