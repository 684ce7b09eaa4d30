# Writes a C++ file that holds the OpenAPI document as text. Called by the build.
include(${CMAKE_CURRENT_LIST_DIR}/../ops/embed_text.cmake)
file(READ ${IN} text)
as_literals("${text}" parts)
file(WRITE ${OUT} "#include \"api/openapi.hpp\"\n\nnamespace rowlock::api {\n\nconst std::string_view openapi_yaml =\n${parts};\n\n}\n")
