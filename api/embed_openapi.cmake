# Writes a C++ file that holds the OpenAPI document as text. Called by the build.
file(READ ${IN} text)
# A string literal may not be longer than 65,536 characters everywhere; adjacent ones are joined.
set(parts "")
string(LENGTH "${text}" length)
set(at 0)
while(at LESS length)
  string(SUBSTRING "${text}" ${at} 8000 part)
  string(APPEND parts "    R\"_yaml_(${part})_yaml_\"\n")
  math(EXPR at "${at} + 8000")
endwhile()
file(WRITE ${OUT} "#include \"api/openapi.hpp\"\n\nnamespace rowlock::api {\n\nconst std::string_view openapi_yaml =\n${parts};\n\n}\n")
