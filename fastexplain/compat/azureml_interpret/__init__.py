"""azureml-interpret's names, for ``fastexplain.install_as("azureml.interpret")``: its scoring explainers."""
