"""The Statlog German credit data: as it comes, which credit-risk reads, and as the floats of
bench-credit-numeric. No model.

Two attributes of the data set are left out on purpose: `personal_status_and_sex` and
`foreign_worker`. A lender may not decide by them, and a bundled example shouldn't teach it.
"""

import csv
from pathlib import Path

import numpy as np
import pandas

LEFT_OUT = ["personal_status_and_sex", "foreign_worker"]
DATA = Path(__file__).parent / "data" / "germancredit.csv"

CHECKING_LEVELS = {
    "no checking account": 0,
    "... < 0 DM": 0,
    "0 <= ... < 200 DM": 1,
    "... >= 200 DM / salary assignments for at least 1 year": 2,
}
SAVINGS_LEVELS = {
    "unknown/ no savings account": 0,
    "... < 100 DM": 1,
    "100 <= ... < 500 DM": 2,
    "500 <= ... < 1000 DM": 3,
    "... >= 1000 DM": 4,
}
EMPLOYMENT_LEVELS = {
    "unemployed": 0,
    "... < 1 year": 1,
    "1 <= ... < 4 years": 2,
    "4 <= ... < 7 years": 3,
    "... >= 7 years": 4,
}
JOB_LEVELS = {
    "unemployed/ unskilled - non-resident": 0,
    "unskilled - resident": 1,
    "skilled employee / official": 2,
    "management/ self-employed/ highly qualified employee/ officer": 3,
}

# Attribute, its value, and the column that is 1 where the attribute has that value.
INDICATORS = [
    ("credit_history", "no credits taken/ all credits paid back duly", "history_no_credits"),
    ("credit_history", "all credits at this bank paid back duly", "history_all_paid_here"),
    ("credit_history", "delay in paying off in the past", "history_delayed"),
    (
        "credit_history",
        "critical account/ other credits existing (not at this bank)",
        "history_critical",
    ),
    ("purpose", "car (new)", "purpose_new_car"),
    ("purpose", "car (used)", "purpose_used_car"),
    ("purpose", "furniture/equipment", "purpose_furniture"),
    ("purpose", "radio/television", "purpose_radio_television"),
    ("purpose", "business", "purpose_business"),
    ("purpose", "education", "purpose_education"),
    ("other_debtors_or_guarantors", "co-applicant", "has_co_applicant"),
    ("other_debtors_or_guarantors", "guarantor", "has_guarantor"),
    ("property", "real estate", "owns_real_estate"),
    (
        "property",
        "building society savings agreement/ life insurance",
        "owns_life_insurance",
    ),
    ("property", "car or other, not in attribute Savings account/bonds", "owns_car"),
    ("housing", "own", "housing_owned"),
    ("housing", "rent", "housing_rented"),
    ("telephone", "yes, registered under the customers name", "has_telephone"),
]

# Each column of encoded floats with the range outside of which a value is a mistake.
RANGES = {
    "duration_months": (1, 120),
    "credit_amount": (0, 100_000),
    "monthly_payment": (0, 20_000),
    "installment_rate": (1, 4),
    "residence_years": (0, 4),
    "age_years": (18, 120),
    "existing_credits": (0, 20),
    "dependents": (0, 20),
    "has_checking_account": (0, 1),
    "checking_level": (0, 2),
    "savings_level": (0, 4),
    "employment_level": (0, 4),
    "job_level": (0, 3),
    "has_other_installments": (0, 1),
    **{column: (0, 1) for _, _, column in INDICATORS},
}
COLUMNS = list(RANGES)

# The same of the columns of numbers as they come.
FRAME_RANGES = {
    "duration_in_month": (1, 120),
    "credit_amount": (0, 100_000),
    "installment_rate_in_percentage_of_disposable_income": (1, 4),
    "present_residence_since": (0, 4),
    "age_in_years": (18, 120),
    "number_of_existing_credits_at_this_bank": (0, 20),
    "number_of_people_being_liable_to_provide_maintenance_for": (0, 20),
}


def encode(applicant: dict[str, str]) -> dict[str, float]:
    """The encoded columns for one row of the data set."""
    amount = float(applicant["credit_amount"])
    months = float(applicant["duration_in_month"])
    checking = applicant["status_of_existing_checking_account"]
    rate = applicant["installment_rate_in_percentage_of_disposable_income"]
    dependents = applicant["number_of_people_being_liable_to_provide_maintenance_for"]
    row = {
        "duration_months": months,
        "credit_amount": amount,
        "monthly_payment": amount / months,
        "installment_rate": float(rate),
        "residence_years": float(applicant["present_residence_since"]),
        "age_years": float(applicant["age_in_years"]),
        "existing_credits": float(applicant["number_of_existing_credits_at_this_bank"]),
        "dependents": float(dependents),
        "has_checking_account": float(checking != "no checking account"),
        "checking_level": float(CHECKING_LEVELS[checking]),
        "savings_level": float(SAVINGS_LEVELS[applicant["savings_account_and_bonds"]]),
        "employment_level": float(EMPLOYMENT_LEVELS[applicant["present_employment_since"]]),
        "job_level": float(JOB_LEVELS[applicant["job"]]),
        "has_other_installments": float(applicant["other_installment_plans"] != "none"),
    }
    for attribute, value, column in INDICATORS:
        row[column] = float(applicant[attribute] == value)
    return row


def load_frame() -> tuple[pandas.DataFrame, np.ndarray]:
    """All applicants as the file has them: thirteen columns, less two, of text, and seven of whole
    numbers; and 1 where the credit went bad."""
    frame = pandas.read_csv(DATA, keep_default_na=False)
    bad = (frame.pop("creditability") == "bad").to_numpy().astype(np.int64)
    return frame.drop(columns=LEFT_OUT), bad


def load() -> tuple[np.ndarray, np.ndarray]:
    """All applicants, encoded: features as (1000, columns) float32, and 1 where the credit went bad."""
    with DATA.open(newline="", encoding="utf-8") as file:
        applicants = list(csv.DictReader(file))
    rows = [encode(applicant) for applicant in applicants]
    features = np.array([[row[column] for column in COLUMNS] for row in rows], dtype=np.float32)
    bad = np.array([applicant["creditability"] == "bad" for applicant in applicants])
    return features, bad.astype(np.int64)
