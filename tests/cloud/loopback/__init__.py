"""A real OpenStack on loopback: Nova, Placement and Keystone, and no hypervisor.

Real: Keystone with its tokens and application credentials; Nova's API with its policies and
microversions, its conductor, its scheduler, two compute hosts; Placement, which counts the GPUs.
Not real: the hypervisor is Nova's own in-tree fake, with time and faults added; the stores of
images and networks are Nova's in-tree fixtures, without HTTP; messages between Nova's services stay
in one process; faults of the API are put in front of it.

`options` and `knobs` are the standard library's only: the tests import them too. Everything else
here runs in an environment of its own (requirements/testcloud.txt), as two processes:
`python -m tests.cloud.loopback.nova_process` and, started by it, `….keystone_process`.
"""
