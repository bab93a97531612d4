"""The built-in components, each written as a third party would write it: against `import modrack` alone."""
