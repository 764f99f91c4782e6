<?php
// hook.py in PHP, with the reading and the envelope that hookd and functions_app.py put around it.

$request = json_decode(file_get_contents('php://input'), true, 64, JSON_THROW_ON_ERROR);

$digits = preg_replace('/[^0-9]/', '', $request['phone']);
$phone = strlen($digits) === 11 && $digits[0] === '8' ? '+7' . substr($digits, 1) : $digits;

header('Content-Type: application/json');
echo json_encode(['data' => ['phone' => $phone], 'state' => 'success']);
