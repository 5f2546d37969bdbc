"""Scorecards of optbinning and scorecardpy on the German credit data: exported as they are, and the
gateway's points are the library's own."""

import csv
import pickle
import tomllib
import warnings

import joblib
import numpy as np
import pandas
import pytest
from sklearn.linear_model import LogisticRegression

from shardgate.exporter import command
import german
from shardgate.exporter.exporting import ExportError

FRAME = german.FRAME
# Values that mean something else, missing ones, and texts that few have.
RANDOM = np.random.default_rng(2)
ODD = FRAME.copy()
ODD["credit_amount"] = ODD.credit_amount.astype(float).where(RANDOM.random(1000) > 0.1)
ODD.loc[RANDOM.random(1000) < 0.1, "age_in_years"] = -9
ODD.loc[RANDOM.random(1000) < 0.1, "age_in_years"] = -8
ODD["purpose"] = ODD.purpose.where(RANDOM.random(1000) > 0.1)
ODD.loc[RANDOM.random(1000) < 0.1, "housing"] = "not asked"


def exported(folder, model, *more, rows=FRAME):
    joblib.dump(model, folder / "card.pkl")
    if rows is not None:
        rows.to_csv(folder / "rows.csv", index=False)
        more = (*more, "--rows", str(folder / "rows.csv"))
    given = [str(folder / "card.pkl"), "--name", "card", "--output-dir", str(folder), *more]
    done = command.export(command.arguments(given))
    about = tomllib.loads((folder / "card" / "model.toml").read_text(encoding="utf-8"))
    with (done.version_path / "golden.csv").open(newline="", encoding="utf-8") as file:
        return done, about, np.array([float(row["score"]) for row in csv.DictReader(file)])


def optbinning_card(frame=FRAME, fit=None, binning=None, **more):
    optbinning = pytest.importorskip("optbinning")
    process = optbinning.BinningProcess(
        list(frame), categorical_variables=german.TEXTS, **(binning or {}))
    card = optbinning.Scorecard(process, LogisticRegression(max_iter=1000), **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return card.fit(frame, german.BAD, **(fit or {}))


SCALES = {
    "min_max": {"scaling_method": "min_max", "scaling_method_params": {"min": 300, "max": 850}},
    "pdo_odds": {"scaling_method": "pdo_odds",
                 "scaling_method_params": {"pdo": 20, "odds": 50, "scorecard_points": 600}},
    "none": {},
}


@pytest.mark.parametrize("more", [{}, {"rounding": True}, {"intercept_based": True},
                                  {"reverse_scorecard": True}], ids=str)
@pytest.mark.parametrize("scale", SCALES)
def test_optbinning_points_of_all_applicants(tmp_path, scale, more):
    if scale == "none":
        more = {key: value for key, value in more.items() if key != "rounding"}
    card = optbinning_card(**SCALES[scale], **more)
    done, about, found = exported(tmp_path, card)
    assert done.rows == 1000 and done.difference_gateway == 0
    assert np.array_equal(found, card.score(FRAME))
    is_better = scale != "none" and not more.get("reverse_scorecard")
    assert about["output"].get("adverse") == ("low" if is_better else None)
    assert {column["type"] for column in about["columns"]} == {"double", "text"}


@pytest.mark.parametrize("codes", [
    ([-9, -8], ["not asked"]), ({"one": -9, "both": [-8]}, {"no": "not asked"}), (None, None),
], ids=["list", "dict", "none"])
@pytest.mark.parametrize("metric", ["empirical", 0])
def test_optbinning_special_and_missing_bins(tmp_path, codes, metric):
    numbers, texts = codes
    binning = {"binning_fit_params": {"age_in_years": {"special_codes": numbers},
                                      "housing": {"special_codes": texts},
                                      "purpose": {"cat_cutoff": 0.1}}}
    fit = {"metric_special": metric, "metric_missing": metric}
    card = optbinning_card(ODD, fit, binning, **SCALES["min_max"])
    done, about, found = exported(tmp_path, card, rows=ODD)
    assert done.rows == 1000 and done.difference_gateway == 0
    assert np.array_equal(found, card.score(ODD))
    assert {column["nan"] for column in about["columns"]} == {"missing"}


def test_optbinning_texts_that_nobody_saw(tmp_path):
    card = optbinning_card(**SCALES["pdo_odds"])
    rows = FRAME.head(20).copy()
    rows["purpose"] = ["a boat", "Möbel", "nan", "None", "Special"] * 4
    done, _, found = exported(tmp_path, card, rows=rows)
    assert done.difference_gateway == 0 and np.array_equal(found, card.score(rows))


def test_optbinning_variables_that_are_left_out_are_no_columns(tmp_path):
    card = optbinning_card(binning={"selection_criteria": {"iv": {"min": 0.1, "max": 2}}},
                           **SCALES["min_max"])
    done, about, _ = exported(tmp_path, card, rows=FRAME)
    names = [column["name"] for column in about["columns"]]
    assert names == list(card.binning_process_.get_support(names=True))
    assert 2 < len(names) < len(FRAME.columns) and done.difference_gateway == 0


def test_optbinning_bins_are_asked_at_their_ends_without_rows(tmp_path):
    done, _, _ = exported(tmp_path, optbinning_card(**SCALES["min_max"]), rows=None)
    assert done.rows == 200 and done.difference_gateway == 0


def scorecardpy_card(frame=FRAME, whole=False, **more):
    scorecardpy = pytest.importorskip("scorecardpy")
    data = frame.assign(bad=german.BAD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bins = scorecardpy.woebin(data, y="bad", print_info=False, no_cores=1, **more)
        woe = scorecardpy.woebin_ply(data, bins, print_info=False, no_cores=1).drop(columns="bad")
        last = LogisticRegression(max_iter=500).fit(woe, german.BAD)
        card = scorecardpy.scorecard(bins, last, woe.columns)
        expected = scorecardpy.scorecard_ply(frame, card, print_step=0).score.to_numpy()
    return (pandas.concat(card, ignore_index=True) if whole else card), expected


@pytest.mark.parametrize("whole", [False, True], ids=["dict", "frame"])
def test_scorecardpy_points_of_all_applicants(tmp_path, whole):
    card, expected = scorecardpy_card(whole=whole)
    done, about, found = exported(tmp_path, card, "--bands", "decline<450,review<500,approve")
    assert done.rows == 1000 and done.difference_gateway == 0
    assert np.array_equal(found, expected)
    assert about["output"]["adverse"] == "low"
    assert [band["decision"] for band in about["output"]["bands"]] == ["decline", "review", "approve"]


def test_scorecardpy_missing_and_special_values(tmp_path):
    """A column of whole numbers keeps its special values."""
    frame = ODD.drop(columns="housing")
    card, expected = scorecardpy_card(
        frame, special_values={"age_in_years": ["-9", "-8"]})
    done, _, found = exported(tmp_path, card, rows=frame)
    assert done.rows == 1000 and done.difference_gateway == 0
    assert np.array_equal(found, expected)
    assert any("-9" in str(bin_) for bin_ in card["age_in_years"]["bin"])


def test_a_card_of_numbers_that_are_categories_is_refused(tmp_path):
    optbinning = pytest.importorskip("optbinning")
    frame = FRAME[["installment_rate_in_percentage_of_disposable_income", "age_in_years"]]
    process = optbinning.BinningProcess(list(frame), categorical_variables=list(frame)[:1])
    card = optbinning.Scorecard(process, LogisticRegression(), **SCALES["min_max"])
    with pytest.raises(ExportError, match="its categories are numbers: bin the column as texts"):
        exported(tmp_path, card.fit(frame, german.BAD), rows=frame)


def test_a_text_that_means_missing_in_a_graph_is_refused(tmp_path):
    pytest.importorskip("scorecardpy")
    card = pandas.DataFrame({"variable": ["a", "a"], "bin": ["x", "nan%,%y"], "points": [7.0, -7.0]})
    with pytest.raises(ExportError, match="a: the card has points for the text 'nan'"):
        exported(tmp_path, card, rows=None)


def test_scorecardpy_missing_blank_and_unseen_texts(tmp_path):
    """What no bin has adds nothing."""
    scorecardpy = pytest.importorskip("scorecardpy")
    card = pandas.DataFrame({"variable": ["basepoints", "a", "a", "b", "b"],
                             "bin": [np.nan, "x%,%y", "missing", "[-inf,1.0)", "[1.0,inf)"],
                             "points": [500.0, 7.0, -9.0, 1.0, 2.0]})
    rows = pandas.DataFrame({"a": ["x", "y", "z", np.nan, " "], "b": [0.5, 1.0, 1.5, 0.0, 9.0]})
    done, _, found = exported(tmp_path, card, rows=rows)
    expected = scorecardpy.scorecard_ply(rows, card, print_step=0).score
    assert found.tolist() == expected.tolist() == [508, 509, 502, 492, 502]
    assert done.difference_gateway == 0


def test_a_card_of_scorecardpy_needs_the_library(tmp_path, monkeypatch):
    card = pandas.DataFrame({"variable": ["basepoints", "a", "a"],
                             "bin": [np.nan, "[-inf,3.0)", "[3.0,inf)"], "points": [500.0, 7.0, -7.0]})
    (tmp_path / "card.pkl").write_bytes(pickle.dumps(card))
    monkeypatch.setitem(__import__("sys").modules, "scorecardpy", None)
    given = [str(tmp_path / "card.pkl"), "--name", "card", "--output-dir", str(tmp_path)]
    with pytest.raises(ExportError, match="pip install scorecardpy"):
        command.export(command.arguments(given))
