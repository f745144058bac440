"""What is in a folder of photos and what is wrong with it; files are read, never changed.

What looks at photos is in `foodvision.inspection.inspect`, what writes files in
`foodvision.reports.inspection`: they need more packages than a table of findings does.
"""
