"""ServiceCIDRs and IPAddresses: ranges stay while they are needed, addresses belong to whom their Services say."""
