<?php
/*
 * Answers with what PHP made of the form in the request: nested pairs of key and value, so that the order shows, all
 * texts in hexadecimal, so that bytes that are no UTF-8 show too.
 */
function pairs($value) {
    if (!is_array($value)) {
        return bin2hex($value);
    }
    $found = [];
    foreach ($value as $key => $item) {
        $found[] = [bin2hex((string) $key), pairs($item)];
    }
    return $found;
}

header('Content-Type: application/json');
echo json_encode(pairs($_POST), 0, 4096);
