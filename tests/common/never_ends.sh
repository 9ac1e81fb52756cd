#!/bin/sh
# Stands in for a conversion that does not come to its end.
exec sleep 600
