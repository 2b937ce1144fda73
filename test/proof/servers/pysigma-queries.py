"""What pySigma makes of the rules: a JSON object of name to {logql, lucene}, one query for each condition.

Arguments: the file of rules and filters (several documents) and the pipeline, both written by the `detections` command.
"""

import json
import sys
from copy import deepcopy

import yaml
from sigma.backends.elasticsearch import LuceneBackend
from sigma.backends.loki import LogQLBackend
from sigma.collection import SigmaCollection
from sigma.processing.pipeline import ProcessingPipeline

rules_path, pipeline_path = sys.argv[1:]
with open(rules_path) as file:
    documents = [document for document in yaml.safe_load_all(file)]
# All of it has to be right Sigma, correlations too; these are then left aside, as no backend knows all of them.
everything = SigmaCollection.from_dicts(documents)
if everything.errors:
    sys.exit("\n".join(str(error) for error in everything.errors))
with open(pipeline_path) as file:
    names = ProcessingPipeline.from_yaml(file.read())
# The stream, and no parser: attributes are structured metadata.
loki = ProcessingPipeline.from_yaml(
    """
name: Loki
priority: 90
transformations:
  - {id: stream, type: set_custom_attribute, attribute: logsource_loki_selection, value: '{service_name="databricks"}'}
  - {id: parser, type: set_custom_attribute, attribute: loki_parser, value: "|"}
"""
)
filters = [document for document in documents if "filter" in document]
queries = {}
for document in documents:
    if "detection" not in document:
        continue
    # Copies, because pySigma writes the condition of a filter into the rule.
    of_rule = lambda: SigmaCollection.from_dicts(deepcopy([document, *filters])).rules[0]
    logql = LogQLBackend(names + loki, case_sensitive=True).convert_rule(of_rule())
    lucene = LuceneBackend(names).convert_rule(of_rule())
    queries[document["name"]] = {"logql": logql, "lucene": lucene}
json.dump(queries, sys.stdout)
