"""The node API and the blobs alone, as the main server mounts them."""

from django.urls import path

from gpu_node.contracts.node_api import API_ROOT
from orchestrator import blob_views
from orchestrator.node_api import api

urlpatterns = [path(f"{API_ROOT.strip('/')}/", api.urls), *blob_views.urlpatterns]
