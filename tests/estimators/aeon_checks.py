"""Run aeon's checks on the adapter around the estimators that are named, and print what failed as JSON.

A program of its own: the type checker of the tests wraps constructors, whose signature aeon looks at.
"""

from __future__ import annotations

import json
import sys

from aeon.testing.estimator_checking import check_estimator
from array_examples import SMALL

from audiossl.estimators.collection_transformer import CollectionTransformer

EXCLUDED = json.loads(sys.argv[1])
found = {}
for name in sys.argv[2:]:
    results = check_estimator(CollectionTransformer(SMALL[name]), checks_to_exclude=EXCLUDED)
    found[name] = {"checks": len(results), "failed": {key: str(value) for key, value in results.items() if value != "PASSED"}}
print(json.dumps(found))
