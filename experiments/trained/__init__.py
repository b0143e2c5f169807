"""Commands on a trained run: loading of model and data, parsing of requests, writing of sample files."""
