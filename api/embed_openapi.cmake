# Writes a C++ file that holds the OpenAPI document as text. Called by the build.
include(${CMAKE_CURRENT_LIST_DIR}/../ops/embed_text.cmake)
file(READ ${IN} text)
as_literals("${text}" parts)
# The document is longer than what the standard asks of every compiler; the supported ones (clang, g++) take it.
file(WRITE ${OUT} "#include \"api/openapi.hpp\"\n\n#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\nnamespace rowlock::api {\n\nconst std::string_view openapi_yaml =\n${parts};\n\n}\n")
