"""What is asked of the admin API, as GraphQL. Pure."""

from __future__ import annotations

from commerce_bridge.connectors.vendure.answers import Rules

LOGIN = """mutation Login($username: String!, $password: String!) {
  login(username: $username, password: $password) { __typename }
}"""

RULES = """query Rules {
  globalSettings {
    trackInventory
    outOfStockThreshold
    serverConfig {
      moneyStrategyPrecision
      entityCustomFields { entityName customFields { ... on CustomField { name type } } }
    }
  }
}"""

CHANGED_PRODUCTS = """query ChangedProducts($skip: Int!, $take: Int!, $after: DateTime!) {
  page: products(options: {
    skip: $skip, take: $take, filter: { updatedAt: { after: $after } }, sort: { updatedAt: ASC, id: ASC }
  }) { totalItems items { id productId: id updatedAt } }
}"""

CHANGED_VARIANTS = """query ChangedVariants($skip: Int!, $take: Int!, $after: DateTime!) {
  page: productVariants(options: {
    skip: $skip, take: $take, filter: { updatedAt: { after: $after } }, sort: { updatedAt: ASC, id: ASC }
  }) { totalItems items { id productId updatedAt } }
}"""


def everything(rules: Rules) -> str:
    """A page of all that is offered, by id: what is added meanwhile comes last where ids are numbers."""
    return f"""query Everything($skip: Int!, $take: Int!) {{
  page: products(options: {{ skip: $skip, take: $take, filter: {{ enabled: {{ eq: true }} }}, sort: {{ id: ASC }} }}) {{
    totalItems items {{ {_product(rules)} }}
  }}
}}"""


def some(rules: Rules) -> str:
    """Products by id, those that are offered."""
    return f"""query Some($take: Int!, $ids: [String!]!) {{
  page: products(options: {{ take: $take, filter: {{ enabled: {{ eq: true }}, id: {{ in: $ids }} }} }}) {{
    totalItems items {{ {_product(rules)} }}
  }}
}}"""


def _product(rules: Rules) -> str:
    # The stock is read, never trusted to updatedAt: allocating some to an order leaves that as it was.
    return f"""id name slug description updatedAt featuredAsset {{ preview }}
  {"" if "category" in rules.product_fields else "collections { name }"}
  {"" if "brand" in rules.product_fields else "facetValues { name facet { code } }"}
  {_custom(rules.product_fields)}
  variants {{
    id sku name enabled updatedAt priceWithTax currencyCode options {{ name }}
    trackInventory outOfStockThreshold useGlobalOutOfStockThreshold stockLevels {{ stockOnHand stockAllocated }}
    {_custom(rules.variant_fields)}
  }}"""


def _custom(fields: dict[str, str]) -> str:
    return (
        f"customFields {{ {' '.join(f'{ours}: {theirs}' for ours, theirs in fields.items())} }}"
        if fields
        else ""
    )
