"""The method Archive: the whole instance, copied while its server is stopped, by a Job of the operator's image."""
