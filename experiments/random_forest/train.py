"""A random forest on the Wisconsin breast cancer data: a plain script that knows nothing of gtrack."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score
from sklearn.model_selection import train_test_split

n_estimators = 50
max_depth = None
min_samples_leaf = 1
test_size = 0.25
random_state = 42

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(
    data.data, data.target, test_size=test_size, random_state=random_state, stratify=data.target
)

model = RandomForestClassifier(
    n_estimators=n_estimators,
    max_depth=max_depth,
    min_samples_leaf=min_samples_leaf,
    random_state=random_state,
)
model.fit(X_train, y_train)

predicted = model.predict(X_test)
print(f"accuracy: {accuracy_score(y_test, predicted):.4f}")
print(f"precision: {precision_score(y_test, predicted):.4f}")
print(f"recall: {recall_score(y_test, predicted):.4f}")
print(f"f1: {f1_score(y_test, predicted):.4f}")
print(f"log_loss: {log_loss(y_test, model.predict_proba(X_test)):.4f}")

order = np.argsort(model.feature_importances_)[-12:]
figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
axes.barh(data.feature_names[order], model.feature_importances_[order])
axes.set_xlabel("importance (mean decrease in impurity)")
axes.set_title("What the forest looks at")
