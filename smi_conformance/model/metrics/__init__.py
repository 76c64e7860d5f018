"""Traffic metrics (metrics.smi-spec.io/v1alpha1): from single requests to what the API answers. Pure: no I/O, no clock.

`latency` holds the resolution of latencies, `traffic` what is counted and for how long, `kinds` what the API is about,
`selectors` how lists are narrowed, `items` its objects, `answers` the API itself. Both the reference mesh and the model
stand on it.
"""
