"""Commands on a trained run: its model and data, requests and files of samples."""
