# Text as C++ string literals. Included by the scripts that put files into the program.

# Sets `out` to adjacent raw literals that make up `text`: a literal may not be longer than 65,536 characters everywhere. The text must not hold )_text_".
function(as_literals text out)
  set(parts "")
  string(LENGTH "${text}" length)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 part)
    string(APPEND parts "    R\"_text_(${part})_text_\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${out} "${parts}" PARENT_SCOPE)
endfunction()
