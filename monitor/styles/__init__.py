"""How the dashboard looks: style sheets, and the colours of the themes."""
