"""What azureml-interpret's modules share."""
