"""The settings of the classes that the shipped configs name, by kind: target -> schema."""
