"""The public interface for Python; `import musedeep` gives its names."""
