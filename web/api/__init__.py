"""REST below /api/v1: one table of routes (`table`), wire models (`wire`), and the OpenAPI document made of both."""
