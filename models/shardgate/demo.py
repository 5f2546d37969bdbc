"""`python -m shardgate.demo`: train a model, export it, serve it, and ask it why.

The data are the German credit data: 1,000 applicants, of whom 300 defaulted.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import shardgate

DATA = "germancredit.csv"
# By these a lender may not decide.
LEFT_OUT = ["personal_status_and_sex", "foreign_worker"]


def data_file() -> Path:
    """The data, as a wheel and as a clone have it."""
    here = Path(__file__).resolve().parent
    return next((path for path in (here / "data" / DATA, here.parent / "data" / DATA)
                 if path.is_file()), here / "data" / DATA)


def data() -> tuple[Any, Any]:
    """The applicants as a data frame of pandas, eleven columns of texts and seven of numbers, and
    whether each credit turned out `good` or `bad`."""
    import pandas

    frame = pandas.read_csv(data_file(), keep_default_na=False).drop(columns=LEFT_OUT)
    return frame, frame.pop("creditability")


def trained(frame: Any, labels: Any) -> Any:
    """A pipeline as a user of pandas would write it."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer((encoder, make_column_selector(dtype_exclude="number")),
                                      remainder="passthrough")
    return make_pipeline(columns, GradientBoostingClassifier(random_state=0)).fit(frame, labels)


def main() -> int:
    """The demonstration, line by line."""
    try:
        frame, labels = data()
        model = trained(frame, labels)
    except ModuleNotFoundError as error:
        print(f"the demonstration needs {error.name}: pip install 'shardgate[export]'", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="shardgate-") as folder:
            show(model, frame, Path(folder))
    except shardgate.ShardgateError as error:
        print(f"shardgate: {error}", file=sys.stderr)
        return 1
    return 0


def show(model: Any, frame: Any, folder: Path) -> None:
    """Exports, serves and asks."""
    print(f"1. trained {type(model[-1]).__name__} on {len(frame)} applicants, {frame.shape[1]} columns")
    done = shardgate.export(model, "credit", rows=frame, score_class="bad", output_dir=folder,
                            explain=True, bands="approve<0.3,review<0.6,decline")
    print(f"2. exported: {done.rows} rows agree, the largest difference is "
          f"{done.difference_gateway:.1e}")
    with shardgate.serve(done) as client:
        print(f"3. serves on {client.url}")
        scores = client.predict(frame)
        expected = model.predict_proba(frame)[:, list(model.classes_).index("bad")]
        print(f"4. scored {len(scores)} rows over HTTP: the largest difference to the library is "
              f"{abs(scores - expected).max():.1e}")
        applicant = dict(frame.iloc[1])
        answer = client.explain(applicant, reasons=3)
        print(f"5. the second applicant defaults with a probability of {answer.score:.2f}: "
              f"{answer.decision}")
        for reason in answer.reasons:
            print(f"     {reason.contribution:+.2f}  {reason.code} = {reason.value}")
    print("6. stopped")


if __name__ == "__main__":
    sys.exit(main())
