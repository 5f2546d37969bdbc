"""Flask and scikit-learn, each request on its own.

gunicorn --pythonpath bench/peers "flask_sklearn:application('users.csv')"
"""

from flask import Flask, jsonify, request

import common


def application(users_csv: str) -> Flask:
    app = Flask("peer")
    users = common.Users(users_csv)
    score = common.scikit_learn()

    @app.post("/predict")
    def predict():
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or not isinstance(body.get("user_id"), str):
            return jsonify(error="a JSON object with a user_id is wanted"), 400
        user = body["user_id"]
        if not users.knows(user):
            return jsonify(error="no such user"), 404
        return jsonify(user_id=user, score=score(users.features([user]))[0])

    return app
